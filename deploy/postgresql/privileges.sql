-- What the roles may do with the tables, by the owner after `shuxiang init`, at first and after each update:
--
--     psql -v ON_ERROR_STOP=1 -f privileges.sql -U shuxiang_owner shuxiang
--
-- The control plane works with all rows and changes no table. A gateway reads what a call is judged by, and writes
-- three tables: its leases, the calls that it counts, the proofs that it has seen.

BEGIN;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shuxiang_control;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shuxiang_control;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM shuxiang_control;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM shuxiang_gateway;
GRANT SELECT ON alembic_version, policy, key_checks, access_tokens, grants, distributions, disputes
TO shuxiang_gateway;
GRANT SELECT (id, state) ON clients TO shuxiang_gateway;
GRANT SELECT (id, serves, closed_at) ON cases TO shuxiang_gateway;
GRANT SELECT (id, code, document) ON datasets TO shuxiang_gateway;
GRANT SELECT (id, number, closed_at) ON tickets TO shuxiang_gateway;
GRANT SELECT ON case_parties TO shuxiang_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_leases TO shuxiang_gateway;
GRANT SELECT, INSERT, UPDATE ON grant_calls TO shuxiang_gateway;
GRANT SELECT, INSERT ON seen_proofs TO shuxiang_gateway;

COMMIT;
