SET search_path = shop, public;

ALTER TABLE products ADD COLUMN words tsvector
	GENERATED ALWAYS AS (setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B')) STORED;
CREATE INDEX CONCURRENTLY products_words ON products USING gin (words);
