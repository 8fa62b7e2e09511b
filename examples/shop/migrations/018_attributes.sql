SET search_path = shop, public;

ALTER TABLE products ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object');
UPDATE products SET attributes = jsonb_build_object('weight_g', 100 + id % 900, 'colours', jsonb_build_array(
	(ARRAY['red', 'green', 'blue'])[1 + id % 3], 'black')) WHERE id % 4 = 1;
CREATE INDEX products_attributes ON products USING gin (attributes jsonb_path_ops);
