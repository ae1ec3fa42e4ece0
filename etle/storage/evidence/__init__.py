"""Evidence files, named by their digest: backends, signed manifests, and the check of everything that is stored."""
