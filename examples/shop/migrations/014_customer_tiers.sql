SET search_path = shop, public;

CREATE TABLE tiers (name text PRIMARY KEY, at_least amount NOT NULL UNIQUE, discount numeric(4, 1) NOT NULL);
INSERT INTO tiers VALUES ('bronze', 0, 0), ('silver', 600, 2.5), ('gold', 1200, 5);

CREATE FUNCTION tier_of(spent numeric) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT name FROM tiers WHERE at_least <= coalesce(spent, 0) ORDER BY at_least DESC LIMIT 1;
END;

ALTER TABLE customers ADD COLUMN tier text REFERENCES tiers;
UPDATE customers c SET tier = tier_of((SELECT sum(total) FROM orders o WHERE o.customer_id = c.id AND o.status <> 'canceled'));
ALTER TABLE customers ALTER COLUMN tier SET NOT NULL, ALTER COLUMN tier SET DEFAULT 'bronze';
