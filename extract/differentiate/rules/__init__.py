"""Rules of reverse-mode differentiation, a module a kind of operator; `registry.entries` finds them all."""
