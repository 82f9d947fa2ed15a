// A peer made of kcp-go, for the interoperability test: no encryption, no FEC. It sends N bytes of a
// known pattern, receives N bytes, and prints the CRC-32 of what came.
//
//	kcpgo_peer listen|dial ADDR N stream|message
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

func main() {
	if len(os.Args) != 5 {
		fail("usage", nil)
	}
	n, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fail("size", err)
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
