// Socket.IO 4 on Node's own HTTP server. Arguments: the port.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { Server } = createRequire(`${process.cwd()}/`)('socket.io');

const http = createServer((request, response) => {
  const room = request.url.slice('/publish/'.length);
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => { // each line of the body is a message
    for (const message of body.split('\n')) io.to(room).emit('news', message);
    response.end();
  });
});
const io = new Server(http, { transports: ['websocket'], serveClient: false });
io.on('connection', (socket) => socket.join(socket.handshake.query.topics.split(',')));
http.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
