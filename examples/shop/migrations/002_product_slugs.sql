SET search_path = shop, public;

ALTER TABLE products ADD COLUMN slug text GENERATED ALWAYS AS (slugify(title)) STORED;
CREATE UNIQUE INDEX products_slug ON products (slug);
