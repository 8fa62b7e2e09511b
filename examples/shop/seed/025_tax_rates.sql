SET search_path = shop, public;

-- From a file of the project, by its path from the project's root.
\copy tax_rates (country, valid, rate) FROM 'seed/tax_rates.csv' WITH (FORMAT csv, HEADER)
