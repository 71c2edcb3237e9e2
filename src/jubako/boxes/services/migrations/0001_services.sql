CREATE TABLE services (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    service TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    host TEXT NOT NULL,
    revision_count BIGINT NOT NULL,
    latest_revision TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (project, location, service)
);
CREATE INDEX services_by_host ON services (host);
CREATE TABLE service_revisions (
    service_uid TEXT NOT NULL,
    revision TEXT NOT NULL,
    serial BIGINT NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    request_timeout BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (service_uid, revision)
);
CREATE INDEX service_revisions_by_age ON service_revisions (service_uid, serial);
CREATE TABLE service_instances (
    service_uid TEXT NOT NULL,
    revision TEXT NOT NULL,
    instance BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    port BIGINT NOT NULL,
    pid BIGINT,
    failures BIGINT NOT NULL,
    claimed BIGINT NOT NULL,
    ready BIGINT,
    not_before BIGINT NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (service_uid, revision, instance)
);
CREATE INDEX service_instances_live ON service_instances (service_uid) WHERE state <> 'idle';
