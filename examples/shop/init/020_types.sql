SET search_path = shop, public;

CREATE TYPE order_status AS ENUM ('cart', 'placed', 'paid', 'shipped', 'delivered', 'canceled');
CREATE TYPE payment_method AS ENUM ('card', 'invoice', 'transfer');

CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@\s]+@[^@\s]+\.[a-z]{2,}$');
CREATE DOMAIN amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN sku AS text CHECK (VALUE ~ '^[A-Z]{3}-[0-9]{5}$');
CREATE DOMAIN country AS char(2) CHECK (VALUE = upper(VALUE));

CREATE TYPE postal AS (street text, zip text, city text, country country);
