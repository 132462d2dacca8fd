"""The ``onepush`` command. gevent patches first: what is imported before keeps the unpatched parts."""

from gevent import monkey

monkey.patch_all()

from onepush_core.cli import main

if __name__ == "__main__":
    main()
