"""The fault test: simulated logins through the real system while everything dies, against a single-threaded replay.

`scenario` writes down what is sent, `actors` are the processes, `applications` one that speaks HTTP, `nemesis` kills,
stops and cuts, `system` is the database, `stored` what it holds in the end, `oracle` what it must hold. `witnesses`
look on from outside: `people` change statuses, the `listener` reads the stream. `checks`, `findings` and `face`
compare, `run` is one test.
"""
