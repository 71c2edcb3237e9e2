// Loaded into Node programs by NODE_OPTIONS: leads their HTTPS through the proxy that https_proxy names.
//
// Node's own agents pass over that variable, and so does the REST transport of Google's clients (`fallback: true`),
// which makes an agent of its own. Agents that know proxies themselves (https-proxy-agent) are left as they are.
'use strict';

const http = require('node:http');
const https = require('node:https');

const proxy = process.env.https_proxy;
const direct = new Set((process.env.no_proxy || '').split(','));
const connect = https.Agent.prototype.createConnection;

function throughProxy(options, callback) {
  const host = options.host || 'localhost';
  if (options.socket || options.socketPath || direct.has(host)) {
    return connect.call(this, options, callback);
  }
  const target = `${host.includes(':') ? `[${host}]` : host}:${options.port || 443}`;
  const asking = http.request({
    ...place(new URL(proxy)),
    method: 'CONNECT',
    path: target,
    headers: { host: target },
    agent: false,
  });
  asking.once('error', callback);
  asking.once('connect', (answer, socket) => {
    if (answer.statusCode !== 200) {
      socket.destroy();
      callback(new Error(`${proxy} does not lead to ${target}: ${answer.statusCode} ${answer.statusMessage}`));
      return;
    }
    callback(null, connect.call(this, { ...options, socket, servername: options.servername || host }));
  });
  asking.end();
  return undefined;
}

function place(url) {
  return { host: url.hostname, port: url.port || 80 };
}

if (proxy) {
  https.Agent.prototype.createConnection = throughProxy;
}
