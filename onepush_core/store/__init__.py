"""The store: SQL, transactions and the engine that runs them. Nothing here knows a plugin or HTTP."""
