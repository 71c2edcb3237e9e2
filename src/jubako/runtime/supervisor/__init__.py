"""The small program that owns the user's processes: standard library only, single-threaded, outlives the server.

1. It never imports another room: it must start fast, stay small, and later run alone on a cluster's nodes.
2. What it has done is in its journal before anybody is told; nothing is started that the journal does not announce.
3. An attempt has ended only when its whole process tree is gone.
4. It goes on when the server dies, and leaves by itself when there is nothing to do and nobody to talk to.
"""
