#!/bin/sh
# Run once by the PostgreSQL image for a new data folder: creates the database, its owner, and the roles with their passwords.
# `etle database roles` grants their rights.
set -eu
psql -v ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    -v owner="$ETLE_OWNER_PASSWORD" -v writer="$ETLE_WRITER_PASSWORD" \
    -v reviewer="$ETLE_REVIEWER_PASSWORD" -v reader="$ETLE_READER_PASSWORD" \
    -v reprocess="$ETLE_REPROCESS_PASSWORD" <<'SQL'
CREATE ROLE etle_owner LOGIN PASSWORD :'owner';
CREATE ROLE etle_writer LOGIN PASSWORD :'writer';
CREATE ROLE etle_reviewer LOGIN PASSWORD :'reviewer';
CREATE ROLE etle_reader LOGIN PASSWORD :'reader';
CREATE ROLE etle_reprocess LOGIN PASSWORD :'reprocess';
CREATE DATABASE etle OWNER etle_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE etle FROM PUBLIC;
GRANT CONNECT ON DATABASE etle TO etle_owner, etle_writer, etle_reviewer, etle_reader, etle_reprocess;
SQL
