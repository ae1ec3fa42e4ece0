#!/bin/sh
# Creates the buckets and their users: the writer may add objects and delete none, the reviewer may only read, the workers of distributed
# runs may add to the bucket of runs. Idempotent.
# MC_HOST_store is the server. Versioning is enabled, so that overwritten objects can be restored.
set -eu
mc mb --ignore-existing store/etle-evidence
mc version enable store/etle-evidence
mc mb --ignore-existing store/etle-runs
# Signed heads of the audit log: under object lock, so that whoever may rewrite the database cannot rewrite them.
mc mb --ignore-existing --with-lock store/etle-heads
mc retention set --default GOVERNANCE 5y store/etle-heads
mc admin user add store etle-writer "$ETLE_WRITER_S3_SECRET"
mc admin user add store etle-reviewer "$ETLE_REVIEWER_S3_SECRET"
mc admin user add store etle-reprocess "$ETLE_REPROCESS_S3_SECRET"
for user in writer reviewer reprocess; do
    mc admin policy create store "etle-$user" "$(dirname "$0")/$user.json"
    mc admin policy attach store "etle-$user" --user "etle-$user" || mc admin policy entities store --user "etle-$user" | grep -q "etle-$user"
done
