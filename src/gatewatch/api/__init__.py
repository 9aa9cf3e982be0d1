"""The HTTP API: one FastAPI app, of which a process serves some functions or all.

- `table`         who may call what: every route's row; one without a row stops the start
- `gate`          before every route: credential, permission, bounds of the body
- `edge`          around everything: names, base path, headers, the last word on errors
- `problems`      every error as RFC 9457
- `app`, `server` put together and served
- `health`, …     the routes, one file per subject

A handler gets a `Principal` (`dependencies.Caller`) and what belongs to its tenant (`dependencies.Asked`).
"""
