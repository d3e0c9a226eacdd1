'use strict';

// For a sandbox with clients of Node that use no proxy by themselves:
// - fetch(); newer Nodes have NODE_USE_ENV_PROXY=1 for it, which goes before this;
// - the WebSockets of Playwright, Puppeteer and chrome-devtools-mcp, whose package
//   "ws" reads no variable for a proxy;
// - https without an agent of its own.
// With this file they use CONNECT through $https_proxy (fetch() of an http: URL:
// through $http_proxy), but for the hosts of $no_proxy.
//
// Left as they are: plain ws: and http:; a dispatcher that a program gives to
// fetch(); one that it sets for all of them (setGlobalDispatcher() of the package
// "undici"), unless that is an Agent, which uses no proxy; and Node 22's own
// WebSocket until fetch() has been called. In the sandbox:
//
//     NODE_OPTIONS="--require=/etc/weir/node-proxy.cjs"

const http = require('http');
const https = require('https');
const net = require('net');
const tls = require('tls');

const CONNECT_TIMEOUT = 10000; // ms; undici's own

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

// A proxy as a variable names it, and the headers that its user name asks for.
class HttpProxy {
    constructor(value) {
        const isUrl = /^\w+:\/\//.test(value);
        this.url = new URL(isUrl ? value : 'http://' + value);
        this.headers = {};
        if (this.url.username !== '') {
            const pair = `${this.url.username}:${this.url.password}`;
            const basic = Buffer.from(decodeURIComponent(pair));
            this.headers['Proxy-Authorization'] =
                'Basic ' + basic.toString('base64');
        }
    }

    // Connects to the host through this proxy, and calls done(error) or
    // done(null, socket). Returns the CONNECT request: who no longer waits for
    // the connection destroys it.
    connect(host, port, done) {
        const name = host.includes(':') ? `[${host}]` : host;
        const authority = `${name}:${port}`;
        const connect = http.request({
            method: 'CONNECT',
            host: this.url.hostname.replace(/^\[|\]$/g, ''),
            port: this.url.port || 80,
            path: authority,
            headers: { ...this.headers, Host: authority },
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
            done(null, socket);
        });
        connect.end();
        return connect;
    }
}

class TunnelAgent extends https.Agent {
    constructor(proxy) {
        super({ keepAlive: true });
        this.proxy = proxy.url;
        this.by = proxy;
    }

    createConnection(options, done) {
        if (options.socketPath || isDirect(options.host)) {
            return super.createConnection(options, done);
        }
        this.by.connect(options.host, options.port || 443, (e, socket) =>
            e ? done(e) :
                done(null, super.createConnection({ ...options, socket })));
    }
}

// The function that undici calls for each connection: `connect` of its Agent. If
// the connection fails or takes too long, undici is told once, and everything of
// it is destroyed.
function connector(proxies) {
    return (options, done) => {
        const isTls = options.protocol === 'https:';
        const host = options.hostname.replace(/^\[|\]$/g, '');
        const port = options.port || (isTls ? 443 : 80);
        const proxy = isDirect(host) ? null : proxies[options.protocol];
        const made = [];
        const end = (error, socket) => {
            clearTimeout(timer);
            const tell = done;
            done = () => {};
            if (error) {
                made.forEach((what) => what.destroy());
            }
            tell(error, socket);
        };
        const timer = setTimeout(() => end(new Error(
            `no connection to ${host}:${port} in time`)), CONNECT_TIMEOUT);
        const make = (what) => {
            made.push(what.on('error', end));
            return what;
        };
        const ready = (socket) => {
            socket.setNoDelay(true).setKeepAlive(true, 60000);
            socket.off('error', end);
            end(null, socket);
        };
        const secure = (socket) => {
            if (!isTls) {
                ready(socket);
                return;
            }
            const over = make(tls.connect({
                socket,
                servername: options.servername ||
                    (net.isIP(host) ? '' : host),
                host,
                ALPNProtocols: ['http/1.1'],
            }, () => ready(over)));
        };
        if (proxy) {
            made.push(proxy.connect(host, port, (error, socket) =>
                error ? end(error) : secure(make(socket))));
        } else {
            const socket = make(net.connect(
                { host, port, localAddress: options.localAddress },
                () => secure(socket)));
        }
    };
}

// fetch() takes its connections from a dispatcher. No require() gives us that, but
// it lies where the package "undici" puts its own. To make it takes a while, so it
// is made at the first use of fetch() and not before.
function serveFetch(proxies) {
    const place = Symbol.for('undici.globalDispatcher.1');
    const plain = globalThis.fetch;
    let isDone = false;
    const install = () => {
        isDone = true;
        void globalThis.Headers; // makes it
        const Agent = globalThis[place] && globalThis[place].constructor;
        if (Agent && Agent.name === 'Agent') {
            globalThis[place] = new Agent({ connect: connector(proxies) });
        }
    };
    Object.defineProperty(globalThis, 'fetch', {
        ...Object.getOwnPropertyDescriptor(globalThis, 'fetch'),
        value: function fetch(input, init = undefined) {
            if (!isDone) {
                install();
            }
            return plain(input, init);
        },
    });
}

const proxies = {};
for (const scheme of ['http', 'https']) {
    const value = env(scheme + '_proxy');
    if (value) {
        proxies[scheme + ':'] = new HttpProxy(value);
    }
}
if (typeof globalThis.fetch === 'function' && Object.keys(proxies).length) {
    serveFetch(proxies);
}
if (proxies['https:']) {
    const agent = new TunnelAgent(proxies['https:']);
    https.globalAgent = agent;
    // Without an agent "ws" makes its connection itself; Playwright 1.60 gives it
    // an agent that uses no proxy. An agent for a proxy would have its address.
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
