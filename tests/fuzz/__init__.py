"""Whatever the OpenAPI document allows, and what it does not, is answered as documented.

`site` is an api over a database with data in it, `schemathesis.toml` says what is checked, `hooks` what schemathesis
is told in Python, `run` sends it all as each kind of caller and counts the answers.
"""
