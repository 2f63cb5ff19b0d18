package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bareSender sends n ready messages over kept connections with the verbs that
// heed uses, each message in one write: no people, no claims, no record. Nothing
// that waits for the answer to one message before it begins the next is faster. It
// gives messages a second.
func bareSender(t *testing.T, addr string, connections, n int) float64 {
	t.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	body := bareMessage()
	failed := make(chan error, connections)
	began := time.Now()
	for range connections {
		go func() { failed <- bareConnection(addr, body, &left) }()
	}
	var err error
	for range connections {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		t.Fatal(err)
	}
	return float64(n) / time.Since(began).Seconds()
}

func bareMessage() []byte {
	head := "From: Harbour Notes <notes@notes.example>\r\nTo: reader@people.example\r\nSubject: News\r\nMIME-Version: 1.0\r\n\r\n"
	line := strings.Repeat("words ", 12) + "\r\n"
	return []byte(head + strings.Repeat(line, (benchSize-len(head))/len(line)))
}

// bareConnection sends until none are left.
func bareConnection(addr string, body []byte, left *atomic.Int64) error {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer raw.Close()
	text := textproto.NewConn(raw)
	if _, _, err := text.ReadResponse(220); err != nil {
		return err
	}
	if _, err := fmt.Fprint(raw, "EHLO bare.example\r\n"); err != nil {
		return err
	}
	if _, _, err := text.ReadResponse(250); err != nil {
		return err
	}
	var one bytes.Buffer
	for n := left.Add(-1); n >= 0; n = left.Add(-1) {
		one.Reset()
		fmt.Fprintf(&one, "MAIL FROM:<notes@notes.example>\r\nRCPT TO:<reader-%d@people.example>\r\nBDAT %d\r\n", n, len(body))
		one.Write(body)
		one.WriteString("BDAT 0 LAST\r\n")
		if _, err := raw.Write(one.Bytes()); err != nil {
			return err
		}
		for range 4 {
			if _, _, err := text.ReadResponse(250); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprint(raw, "QUIT\r\n")
	return err
}
