"""The fault test: simulated logins through the real system while everything dies, against a single-threaded replay.

`scenario` writes down what is sent, `actors` are the processes, `nemesis` kills, stops and cuts, `system` is the
database, `stored` what it holds in the end, `oracle` what it must hold, `checks` compares, `run` is one test.
"""
