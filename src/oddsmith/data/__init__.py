"""Where rows come from, and what their columns are."""
