"""Random changes of everything that is stored, made as the owner of the database: does `etle evidence verify` name each of them?"""
