// Made of docs/maxconn.schema.json by `UPDATE=1 make npm-test`.

/** A server whose messages are recognised. */
export type Server =
  | 'dovecot'
  | 'postgresql'
  | 'mysql'
  | 'mariadb'
  | 'pgbouncer'
  | 'nginx'
  | 'haproxy'
  | 'openssh'
  | 'postfix'
  | 'exim'
  | 'apache'
  | 'php-fpm'
  | 'proftpd'
  | 'vsftpd'
  | 'courier'
  | 'cyrus'
  | 'xinetd'
  | 'mosquitto'
  | 'rabbitmq'
  | 'asterisk'
  | 'kernel'
  | 'mongodb'
  | 'kafka'
  | 'systemd'
  | 'samba'
  | 'open-files';
/** What a limit is counted over. */
export type Scope = 'user+ip' | 'service' | 'process' | 'user' | 'ip' | 'global' | 'database' | 'vhost' | 'zone' | 'pool' | 'listener' | 'node' | 'server';
/** What a message is about. */
export type Class = 'refusal' | 'summary' | 'state' | 'warning';
/** A field that can be part of a key. */
export type KeyField = 'service' | 'user' | 'ip' | 'net' | 'host' | 'limit' | 'database' | 'vhost' | 'zone' | 'frontend' | 'backend';
/** How far the client had come: before authentication names are claims. */
export type Stage = 'before-auth' | 'after-auth' | 'client-side';
export type FloodState = 'start' | 'ongoing' | 'end';
/** RFC 3339, in UTC. */
export type Time = string;
/** The same for the same input; serves as `_id`. */
export type Id = string;

/** The configuration of maxconn (docs/configuration.md). The documents that come out are among the definitions. */
export interface Configuration {
  /**
   * The first of these that holds a string is a record's message. Paths, with dots between names.
   *
   * @minItems 1
   * @maxItems 32
   */
  message_keys?: string[];
  /**
   * The first of these that can be read is a record's time.
   *
   * @minItems 1
   * @maxItems 32
   */
  time_keys?: string[];
  /**
   * Whose messages are recognised; all by default.
   *
   * @minItems 1
   */
  servers?: Server[];
  /** The zone of times that name none: an IANA name, an offset (`+02:00`) or a POSIX TZ string. */
  timezone?: string;
  /** How far behind the newest event time an event may be and still count as if it came in order. */
  allowed_lateness?: string;
  /** Keys without an open flood that are remembered, over all rules. */
  max_keys?: number;
  /** Floods that are open at once. */
  max_floods?: number;
  /** How often statistics are emitted; `0s`: never. */
  statistics_every?: string;
  /**
   * Your webmail and proxies: addresses or CIDR networks.
   *
   * @maxItems 256
   */
  trusted_networks?: string[];
  /** If set, 16 to 256 bytes, user names leave as keyed hashes only. */
  redact_key?: string;
  /** The tag of the records that are ticks (Fluent Bit alone). */
  tick_tag?: string;
  /**
   * Built-in rules changed key by key, and rules of your own.
   *
   * @maxItems 43
   */
  rule?: Rule[];
  /**
   * Limit messages of your own.
   *
   * @maxItems 64
   */
  pattern?: Pattern[];
}
/** What is a flood: as soon as `threshold` events of one key come `within` a window. */
export interface Rule {
  /** The rule's name in alerts. That of a built-in rule changes only the keys that are given. */
  name: string;
  /** false turns the rule off. */
  enabled?: boolean;
  /**
   * Whose events it counts, and `patterns` for all of your own; all by default.
   *
   * @minItems 1
   */
  servers?: (Server | 'patterns')[];
  /**
   * Which events it counts, by what their limit is counted over.
   *
   * @minItems 1
   */
  scope?: Scope[];
  /**
   * What the messages that it counts are about.
   *
   * @minItems 1
   */
  class?: Class[];
  /**
   * The fields that events of one flood have in common; `net` is the /24 or /64.
   *
   * @minItems 1
   */
  key?: KeyField[];
  /** true counts an event that lacks a field of the key, too, together with the others that lack it. */
  missing_bucket?: boolean;
  /** Events that open a flood. */
  threshold?: number;
  /** The window in which they come: `60s`, `1h30m`. */
  within?: string;
  /** So many different values must be among them besides. */
  distinct?: {
    field?: 'user' | 'ip' | 'host' | 'service';
    at_least?: number;
  };
  /** The silence that ends a flood, at least `within`. */
  quiet?: string;
  /** The pause before the first `ongoing` alert; each later pause is twice as long. */
  update_every?: string;
  /** The longest of these pauses, at least `update_every`. */
  update_max?: string;
  /** What becomes of an open flood's events: held back, one in `sample_every` goes on, all go on. */
  policy?: 'suppress' | 'sample' | 'pass';
  /** With the policy `sample` alone. */
  sample_every?: number;
}
/** A limit message of your own. */
export interface Pattern {
  /** Where its events come from: `event.module`. No name of a server that is built in. */
  name: string;
  /** The quick test: a text that every such message has in it, without characters that JSON encoders escape. */
  contains: string;
  /** The message, in the syntax of regex-lite. Its groups are fields: user, ip, rip, port, lip, lport, service, session, value, method. */
  regex: string;
  /** The limit's name: `event.code`. */
  limit: string;
  scope: Scope;
}
/** What became of refusals. */
export interface Tally {
  /** Refusals, exact. */
  count: number;
  /** Those whose records went on. */
  passed: number;
  /** Those whose records were held back. */
  suppressed: number;
  /** The bytes of records that were held back. */
  suppressed_bytes: number;
  /** Those that no record tells of, but the server's own counts; absent if none. */
  unlogged?: number;
}
/** A flood started, goes on, or ended (docs/contract.md §3.3). */
export interface Alert {
  '@timestamp': Time;
  /** One sentence for people: who, from where, how many, how fast, since when. */
  message: string;
  log: {
    level: 'info' | 'warning' | 'error';
  };
  event: {
    kind: 'alert';
    action: 'connection-limit-flood-start' | 'connection-limit-flood-ongoing' | 'connection-limit-flood-end';
    category: ('network' | 'intrusion_detection')[];
    type: ('denied' | 'start' | 'info' | 'end')[];
    /** The limit. */
    code: string;
    outcome: 'failure';
    /** The server, or the pattern of your own. */
    module: string;
    dataset: string;
    start: Time;
    end: Time;
    /** In ns. */
    duration: number;
    id: Id;
    /** 0, 1, 2 … within the flood. */
    sequence: number;
    severity: 21 | 47 | 73 | 99;
  };
  rule: {
    name: string;
    id: string;
  };
  /** Where it is one, and known: `name`, or with a `redact_key` `hash`. */
  user?: {
    name?: string;
    hash?: string;
  };
  source?: {
    ip: string;
  };
  destination?: {
    ip: string;
  };
  service: {
    /** The server. */
    type: string;
    /** `imap-login`, `smtp`. */
    name?: string;
  };
  network?: {
    protocol: string;
  };
  host?: {
    name: string;
  };
  related?: {
    ip?: string[];
    user?: string[];
    hosts?: string[];
  };
  maxconn: {
    limit: {
      name: string;
      value?: number;
      scope: Scope;
      stage?: Stage;
    };
    flood: {
      id: Id;
      state: FloodState;
      /** The key's values joined. */
      key: string;
      /** Refusals, exact. */
      count: number;
      /** Those whose records went on. */
      passed: number;
      /** Those whose records were held back. */
      suppressed: number;
      /** The bytes of records that were held back. */
      suppressed_bytes: number;
      /** Those that no record tells of, but the server's own counts; absent if none. */
      unlogged?: number;
      /** Refusals per second. */
      rate: {
        mean: number;
        peak: number;
        current: number;
      };
      distinct: {
        users: number;
        ips: number;
        hosts: number;
        sessions: number;
        /** Which of them are not exact. */
        estimated?: ('users' | 'ips' | 'hosts' | 'sessions')[];
      };
      cause: {
        hint:
          | 'retry-storm'
          | 'many-folders'
          | 'shared-address'
          | 'webmail-or-proxy'
          | 'many-addresses'
          | 'client-storm'
          | 'pool-retry'
          | 'scan-or-guessing'
          | 'server-full'
          | 'undersized'
          | 'unknown';
        evidence: string;
        advice: string;
      };
      /** One original message, bounded. */
      sample: string;
      /** Of an `end` alone. */
      end_reason?: 'quiet' | 'evicted' | 'reconfigured' | 'end_of_input' | 'shutdown';
      increase: Tally;
    };
  };
}
/** A refused connection that goes on: the record as it came, and these fields as far as it had none of their names itself (docs/contract.md §3.2). What it had stays, of whatever type. */
export interface EnrichedEvent {
  /** When, if the record itself had no such field. */
  '@timestamp'?: string;
  event?: {
    kind?: string;
    category?: string[];
    type?: string[];
    /** `connection-limit-exceeded` */
    action?: string;
    /** The limit. */
    code?: string;
    outcome?: string;
    /** The server, or the pattern of your own. */
    module?: string;
    dataset?: string;
    id?: string;
    [k: string]: unknown;
  };
  service?: {
    type?: string;
    name?: string;
    [k: string]: unknown;
  };
  network?: {
    protocol?: string;
    [k: string]: unknown;
  };
  user?: {
    name?: string;
    hash?: string;
    [k: string]: unknown;
  };
  source?: {
    ip?: string;
    port?: number;
    domain?: string;
    [k: string]: unknown;
  };
  destination?: {
    ip?: string;
    port?: number;
    [k: string]: unknown;
  };
  tls?: {
    established?: boolean;
    version?: string;
    cipher?: string;
    [k: string]: unknown;
  };
  related?: {
    ip?: string[];
    user?: string[];
    [k: string]: unknown;
  };
  http?: {
    response?: {
      status_code?: number;
      [k: string]: unknown;
    };
    [k: string]: unknown;
  };
  error?: {
    code?: string;
    [k: string]: unknown;
  };
  maxconn?: {
    limit?: {
      name?: string;
      value?: number;
      current?: number;
      scope?: Scope;
      stage?: Stage;
      [k: string]: unknown;
    };
    event?: {
      /** How many refusals it stands for, where that is more than one. */
      count?: number;
      class?: Class;
      [k: string]: unknown;
    };
    session?: {
      id?: string;
      [k: string]: unknown;
    };
    auth_method?: string;
    database?: string;
    vhost?: string;
    zone?: string;
    frontend?: string;
    backend?: string;
    termination_state?: string;
    flood?: {
      id?: string;
      state?: FloodState;
      [k: string]: unknown;
    };
    /** Groups that were left out because the record has something else in their place. */
    skipped?: string[];
    [k: string]: unknown;
  };
  [k: string]: unknown;
}
/** What the plugin counted so far (docs/contract.md §3.4). */
export interface Statistics {
  '@timestamp'?: Time;
  event: {
    kind: 'metric';
    module: 'maxconn';
    dataset: 'maxconn.statistics';
  };
  maxconn: {
    statistics: {
      /** That came in. */
      records: number;
      passed: number;
      suppressed: number;
      rejected: number;
      malformed: number;
      unrecognised: number;
      unrecognised_sample?: string;
      late: number;
      untimed: number;
      /** Refusals by limit. */
      events: {
        [k: string]: number;
      };
      alerts: {
        start: number;
        ongoing: number;
        end: number;
        dropped: number;
        waiting: number;
      };
      keys: number;
      floods: number;
      floods_refused: number;
      evictions: number;
      memory_bytes?: number;
    };
  };
}
/** What was refused in a period by one server, limit and host (docs/contract.md §3.4). */
export interface Refusals {
  '@timestamp'?: Time;
  event: {
    kind: 'metric';
    action: 'connection-limit-statistics';
    module: string;
    dataset: string;
    start?: Time;
    end?: Time;
    /** In ns. */
    duration?: number;
    id: Id;
  };
  host?: {
    name: string;
  };
  service?: {
    type: string;
  };
  maxconn: {
    limit: {
      name: string;
    };
    refusals: Tally;
    floods?: {
      /** How many floods of that server and limit were open. */
      open: number;
    };
  };
}
