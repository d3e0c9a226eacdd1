'use strict';

// For a sandbox with Node's clients that know no proxy: the WebSockets of
// Playwright, Puppeteer and chrome-devtools-mcp ("ws" asks no variable for
// one), and https without an agent of its own. What they send goes by CONNECT
// through $https_proxy, but for $no_proxy. Plain ws:, http: and fetch() are
// left as they are. In the sandbox:
//
//     NODE_OPTIONS="--require=/etc/weir/node-proxy.cjs"

const http = require('http');
const https = require('https');

const env = (name) => process.env[name] || process.env[name.toUpperCase()];

// Whether a host is to be reached without the proxy: "*", a name, or what
// ends in ".name".
function isDirect(host) {
    return (env('no_proxy') || '').split(/[\s,]+/).some((entry) => {
        const name = entry.replace(/^\*?\./, '');
        return name === '*' ||
            (name !== '' && (host === name || host.endsWith('.' + name)));
    });
}

class TunnelAgent extends https.Agent {
    constructor(proxy) {
        super({ keepAlive: true });
        this.proxy = proxy;
        this.proxyHeaders = {};
        if (proxy.username !== '') {
            const pair = `${proxy.username}:${proxy.password}`;
            const basic = Buffer.from(decodeURIComponent(pair));
            this.proxyHeaders['Proxy-Authorization'] =
                'Basic ' + basic.toString('base64');
        }
    }

    createConnection(options, done) {
        if (options.socketPath || isDirect(options.host)) {
            return super.createConnection(options, done);
        }
        const host = options.host.includes(':') ?
            `[${options.host}]` : options.host;
        const authority = `${host}:${options.port || 443}`;
        const connect = http.request({
            method: 'CONNECT',
            host: this.proxy.hostname.replace(/^\[|\]$/g, ''),
            port: this.proxy.port || 80,
            path: authority,
            headers: { ...this.proxyHeaders, Host: authority },
            agent: false,
        });
        connect.once('error', done);
        connect.once('connect', (answer, socket) => {
            if (answer.statusCode !== 200) {
                const why = answer.headers['proxy-status'] || '';
                socket.destroy();
                done(new Error(
                    `CONNECT ${authority}: ${answer.statusCode} ${why}`));
                return;
            }
            done(null, super.createConnection({ ...options, socket }));
        });
        connect.end();
    }
}

const proxy = env('https_proxy');
if (proxy) {
    const agent = new TunnelAgent(
        new URL(/^\w+:\/\//.test(proxy) ? proxy : 'http://' + proxy));
    https.globalAgent = agent;
    // "ws" makes its connection itself where it has no agent; Playwright 1.60
    // gives it one that knows no proxy. An agent for a proxy has its address.
    const isWebSocket = (options) => options && options.headers &&
        options.headers.Upgrade === 'websocket' &&
        !(options.agent && options.agent.proxy);
    for (const name of ['request', 'get']) {
        const plain = https[name];
        https[name] = (...args) => plain(...args.map((arg) =>
            isWebSocket(arg) ? { ...arg, agent } : arg));
    }
    require('module').syncBuiltinESMExports();
}
