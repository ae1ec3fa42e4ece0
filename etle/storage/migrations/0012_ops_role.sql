-- Who operates the cameras of a site: draws and calibrates it, and sees no case.
ALTER TABLE users DROP CONSTRAINT users_role_check, ADD CONSTRAINT users_role_check CHECK (role IN ('reviewer', 'supervisor', 'auditor', 'admin', 'ops'));
