-- Addresses are compared in one way on every database.
CREATE INDEX users_by_address ON users (lower(email));
