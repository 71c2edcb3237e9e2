"""Public fakes and test tools: what our own tests use, users may use too."""
