SET search_path = shop, public;

CREATE VIEW product_ratings AS
SELECT p.id, p.title, count(r.rating) AS reviews, round(avg(r.rating), 2) AS rating
FROM products p LEFT JOIN reviews r ON r.product_id = p.id
GROUP BY p.id;
COMMENT ON VIEW product_ratings IS $$one row a product; "rating" is NULL where nobody wrote one$$;
