CREATE TABLE workflow_deleted_histories (
    execution TEXT NOT NULL PRIMARY KEY
);
