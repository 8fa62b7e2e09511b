SET search_path = shop, public;

-- psql -v currency=CHF, or --var currency=CHF: another currency is another chain from here on.
\if :{?currency}
\else
	\set currency EUR
\endif
ALTER TABLE orders ADD COLUMN currency char(3) NOT NULL DEFAULT :'currency' CHECK (currency = upper(currency));
COMMENT ON COLUMN orders.currency IS 'ISO 4217';
