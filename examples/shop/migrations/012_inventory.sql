SET search_path = shop, public;

CREATE TABLE stock (
	product_id bigint PRIMARY KEY REFERENCES products,
	on_hand int NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE TABLE stock_moves (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id bigint NOT NULL REFERENCES products,
	delta int NOT NULL CHECK (delta <> 0),
	reason text NOT NULL
);

-- A statement at a time, by its transition table.
CREATE FUNCTION apply_moves() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO stock AS s (product_id, on_hand)
	SELECT product_id, sum(delta) FROM moves GROUP BY product_id
	ON CONFLICT (product_id) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand;
	RETURN NULL;
END
$$;
CREATE TRIGGER moves AFTER INSERT ON stock_moves REFERENCING NEW TABLE AS moves
	FOR EACH STATEMENT EXECUTE FUNCTION apply_moves();
