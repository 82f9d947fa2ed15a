// A peer made of kcp-go, for the interoperability test: no encryption, no FEC. It sends N bytes of a
// known pattern, receives N bytes, and prints the CRC-32 of what came.
//
//	kcpgo_peer listen|dial ADDR N stream|message
//	kcpgo_peer dial ADDR N fragments
//
// kcp-go's session cuts messages to one segment each, so "fragments" drives its protocol core without
// the session: messages of several fragments go out, and must come in with their borders.
package main

import (
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"strconv"
	"time"

	kcp "github.com/xtaci/kcp-go"
)

func fail(what string, err error) {
	fmt.Fprintln(os.Stderr, "kcpgo_peer:", what, err)
	os.Exit(1)
}

// A message of at most this size is one KCP message of several fragments.
const chunk = 8000

func fill(buf []byte, x uint64) uint64 {
	for i := range buf {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		buf[i] = byte(x >> 32)
	}
	return x
}

func open(role, addr string) *kcp.UDPSession {
	if role == "dial" {
		s, err := kcp.DialWithOptions(addr, nil, 0, 0)
		if err != nil {
			fail("dial", err)
		}
		s.SetReadBuffer(4 << 20)
		return s
	}
	l, err := kcp.ListenWithOptions(addr, nil, 0, 0)
	if err != nil {
		fail("listen", err)
	}
	l.SetReadBuffer(4 << 20)
	fmt.Println("port", l.Addr().(*net.UDPAddr).Port)
	s, err := l.AcceptKCP()
	if err != nil {
		fail("accept", err)
	}
	return s
}

// fragments runs kcp-go's core on a socket of its own.
func fragments(addr string, n int64) {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		fail("dial", err)
	}
	conn.(*net.UDPConn).SetReadBuffer(4 << 20)
	core := kcp.NewKCP(77, func(buf []byte, size int) { conn.Write(buf[:size]) })
	core.NoDelay(1, 10, 2, 1)
	core.WndSize(128, 256)
	core.SetMtu(1373)

	packets := make(chan []byte, 1024)
	go func() {
		for {
			buf := make([]byte, 2048)
			m, err := conn.Read(buf)
			if err != nil {
				close(packets)
				return
			}
			packets <- buf[:m]
		}
	}()

	in, out := crc32.NewIEEE(), crc32.NewIEEE()
	buf, part := make([]byte, 65536), make([]byte, chunk)
	x := uint64(2)
	tick := time.NewTicker(5 * time.Millisecond)
	deadline := time.Now().Add(100 * time.Second)
	open, left, toSend := true, n, n
	for open && time.Now().Before(deadline) {
		for toSend > 0 && core.WaitSnd() < 120 {
			if toSend < chunk {
				part = part[:toSend]
			}
			x = fill(part, x)
			out.Write(part)
			if core.Send(part) != 0 {
				fail("send", nil)
			}
			toSend -= int64(len(part))
		}
		core.Update()
		var pkt []byte
		select {
		case pkt, open = <-packets: // closed once the other end has gone
			if open && core.Input(pkt, true, true) != 0 {
				fail("input", nil)
			}
		case <-tick.C:
			if left == 0 && toSend == 0 && core.WaitSnd() == 0 {
				open = false
			}
		}
		for m := core.Recv(buf); m >= 0; m = core.Recv(buf) {
			if left -= int64(m); m != chunk && left != 0 {
				fail(fmt.Sprint("message of ", m), nil)
			}
			in.Write(buf[:m])
		}
	}
	if left != 0 || toSend != 0 {
		fail("unfinished", nil)
	}
	fmt.Printf("received %08x\nsent %08x\n", in.Sum32(), out.Sum32())
	for end := time.Now().Add(300 * time.Millisecond); open || time.Now().Before(end); {
		core.Update() // late repeats still get their ACKs
		select {
		case pkt, ok := <-packets:
			if !ok {
				return
			}
			core.Input(pkt, true, true)
		case <-tick.C:
			open = false
		}
	}
}

func main() {
	if len(os.Args) != 5 {
		fail("usage", nil)
	}
	n, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fail("size", err)
	}
	if os.Args[4] == "fragments" {
		fragments(os.Args[2], n)
		return
	}
	s := open(os.Args[1], os.Args[2])
	s.SetStreamMode(os.Args[4] == "stream")
	s.SetNoDelay(1, 10, 2, 1)
	s.SetWindowSize(128, 256)
	s.SetMtu(1373)
	s.SetACKNoDelay(true)
	s.SetWriteDelay(false)

	sent := make(chan uint32)
	go func() {
		sum := crc32.NewIEEE()
		buf := make([]byte, chunk)
		x := uint64(2)
		for left := n; left > 0; {
			part := buf
			if left < chunk {
				part = buf[:left]
			}
			x = fill(part, x)
			if _, err := s.Write(part); err != nil {
				fail("write", err)
			}
			sum.Write(part)
			left -= int64(len(part))
		}
		sent <- sum.Sum32()
	}()

	sum := crc32.NewIEEE()
	buf := make([]byte, 65536)
	for left := n; left > 0; {
		s.SetReadDeadline(time.Now().Add(20 * time.Second))
		m, err := s.Read(buf)
		if err != nil {
			fail("read", err)
		}
		sum.Write(buf[:m])
		left -= int64(m)
	}
	fmt.Printf("received %08x\n", sum.Sum32())
	fmt.Printf("sent %08x\n", <-sent)
	// The other end goes first: it knows when everything of its own is acknowledged.
	s.SetReadDeadline(time.Now().Add(3 * time.Second))
	s.Read(buf)
}
