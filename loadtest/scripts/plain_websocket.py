"""The WebSocket of the scripts beside this file: just enough of both ends for counting, over blocking sockets."""
import base64, hashlib, socket

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def received(sock, most):
    data = sock.recv(most)
    if not data:
        raise ConnectionError("the peer has ended")
    return data


def head(sock):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += received(sock, 1)
    return data


def exactly(sock, count):
    data = b""
    while len(data) < count:
        data += received(sock, count - len(data))
    return data


def accepted(sock):
    """Reads a handshake and answers it with 101. Returns the request's head."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asked = head(sock)
    key = next(line.split(b":", 1)[1].strip() for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    sock.sendall(f"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    return asked


def open_over(sock, path):
    """Sends a handshake over a connection, and returns the head of the answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    return head(sock)
