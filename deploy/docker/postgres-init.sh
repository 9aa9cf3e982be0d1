# Sourced by the image of PostgreSQL when it makes an empty cluster. The secret it was given becomes the password of the
# owner of Gatewatch's database, who is no superuser; the superuser has none and is reached from inside alone.
export POSTGRES_PASSWORD
psql --no-psqlrc --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
CREATE ROLE gatewatch LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE gatewatch OWNER gatewatch TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
ALTER ROLE postgres PASSWORD NULL;
SQL
