SET search_path = shop, public;

CREATE TABLE order_events (
	order_id bigint NOT NULL,
	placed_at timestamptz NOT NULL,
	seq int NOT NULL,
	at timestamptz NOT NULL DEFAULT clock(),
	from_status order_status,
	to_status order_status NOT NULL,
	PRIMARY KEY (order_id, seq),
	FOREIGN KEY (order_id, placed_at) REFERENCES orders ON DELETE CASCADE
);

CREATE FUNCTION check_order_move() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF (OLD.status, NEW.status) NOT IN (('cart', 'placed'), ('placed', 'paid'), ('paid', 'shipped'), ('shipped', 'delivered'),
			('delivered', 'returned'), ('cart', 'canceled'), ('placed', 'canceled'), ('paid', 'canceled')) THEN
		RAISE EXCEPTION 'an order cannot go from % to %', OLD.status, NEW.status
			USING ERRCODE = 'check_violation', HINT = 'see migrations/010_order_events.sql';
	END IF;
	INSERT INTO order_events (order_id, placed_at, seq, from_status, to_status)
	SELECT NEW.id, NEW.placed_at, 1 + coalesce(max(seq), 0), OLD.status, NEW.status FROM order_events WHERE order_id = NEW.id;
	RETURN NEW;
END
$$;
CREATE TRIGGER order_move BEFORE UPDATE OF status ON orders
	FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_order_move();
