"""The preset `soundgen-2.5.1`: the same markers as soundgen 2.5.1 defines them."""
