-- Three roles and the database, once, by a superuser:
--
--     psql -v ON_ERROR_STOP=1 -f roles.sql postgres
--
-- Passwords are set afterwards, where no history keeps them: psql, then \password shuxiang_control

CREATE ROLE shuxiang_owner LOGIN;
CREATE ROLE shuxiang_control LOGIN CONNECTION LIMIT 120;
CREATE ROLE shuxiang_gateway LOGIN CONNECTION LIMIT 200;

-- Text is kept in UTF-8 and sorted by code point: the order of pages hangs on it, and the platform refuses another.
CREATE DATABASE shuxiang OWNER shuxiang_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';

\connect shuxiang

REVOKE ALL ON DATABASE shuxiang FROM PUBLIC;
GRANT CONNECT ON DATABASE shuxiang TO shuxiang_control, shuxiang_gateway;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO shuxiang_owner;
GRANT USAGE ON SCHEMA public TO shuxiang_control, shuxiang_gateway;
