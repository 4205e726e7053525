"""Publication tables: tidy tables in, tables of text out, and the formats that carry them."""
