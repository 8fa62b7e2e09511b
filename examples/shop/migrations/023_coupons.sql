SET search_path = shop, public;

CREATE TABLE coupons (code text PRIMARY KEY CHECK (code = upper(code)), percent numeric(4, 1) NOT NULL, most int NOT NULL);
CREATE TABLE redemptions (
	code text NOT NULL REFERENCES coupons,
	customer_id bigint NOT NULL REFERENCES customers,
	UNIQUE (code, customer_id)
);

CREATE FUNCTION check_coupon() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT count(*) FROM redemptions r WHERE r.code = NEW.code) > (SELECT most FROM coupons k WHERE k.code = NEW.code) THEN
		RAISE 'coupon % is used up', NEW.code USING ERRCODE = 'SH001';
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER enough AFTER INSERT ON redemptions
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_coupon();

INSERT INTO coupons VALUES ('WELCOME', 10, 500), ('THREE', 50, 3);
INSERT INTO redemptions SELECT 'WELCOME', id FROM customers WHERE id <= 400;
INSERT INTO redemptions SELECT 'THREE', id FROM customers WHERE id <= 3;
