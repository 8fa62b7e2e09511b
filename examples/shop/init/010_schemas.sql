-- The shop's schemas. Every file sets its own search_path: each is a session of its own.
CREATE SCHEMA shop;
CREATE SCHEMA audit;
COMMENT ON SCHEMA shop IS 'a web shop: catalogue, customers, orders';
COMMENT ON SCHEMA audit IS 'who changed what';
