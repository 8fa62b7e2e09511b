SET search_path = shop, public;

BEGIN;
CREATE TEMP TABLE new_prices (sku text PRIMARY KEY, price numeric) ON COMMIT DROP;
COPY new_prices FROM stdin WITH (FORMAT csv, HEADER);
sku,price
GAR-10001,19.90
BOO-10002,24.50
MUS-10003,99
KIT-10004,7.05
\.
UPDATE products p SET price = n.price FROM new_prices n WHERE n.sku = p.sku;
COMMIT;
