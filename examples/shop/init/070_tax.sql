SET search_path = shop, public;

CREATE TABLE tax_rates (
	country country NOT NULL REFERENCES countries,
	valid daterange NOT NULL,
	rate numeric(5, 4) NOT NULL CHECK (rate BETWEEN 0 AND 1),
	PRIMARY KEY (country, valid)
);
