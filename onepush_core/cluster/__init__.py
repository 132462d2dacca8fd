"""Several workers, on one host or many, that serve one database together.

The database is the truth. What workers tell each other (``words.py``) travels over a bus or through a
table of the database (``exchange.py``) and is a hint: lost, it costs a few seconds, never a message.
"""
