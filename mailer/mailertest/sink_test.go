package mailertest

import (
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// talk sends lines to a new connection one after the other and returns the reply codes.
// An entry may hold several commands; codes are read until none comes for a moment.
func talk(t *testing.T, s *Sink, steps ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := textproto.NewConn(conn)
	var codes []string
	for _, step := range append([]string{""}, steps...) {
		if _, err := conn.Write([]byte(step)); err != nil {
			t.Fatal(err)
		}
		for {
			if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			code, _, err := text.ReadResponse(0)
			if err != nil {
				break
			}
			codes = append(codes, fmt.Sprint(code))
		}
	}
	return strings.Join(codes, " ")
}

const (
	mailRcpt = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
	body     = "Subject: =?utf-8?q?x?=\r\n\ty\r\n\r\ntext\r\n"
)

func TestConversation(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []string
		codes string
		count int
	}{
		"data":            {[]string{"EHLO x\r\n", mailRcpt + "DATA\r\n", body + ".\r\n", "QUIT\r\n"}, "220 250 250 250 354 250 221", 1},
		"bdat":            {[]string{mailRcpt + "BDAT 4\r\na: b", "BDAT 2\r\n\r\nBDAT 0 LAST\r\n"}, "220 250 250 250 250 250", 1},
		"bdat last":       {[]string{mailRcpt + "BDAT 6 LAST\r\na: b\r\n"}, "220 250 250 250", 1},
		"unfinished data": {[]string{mailRcpt + "DATA\r\n", body + "QUIT\r\n"}, "220 250 250 354", 0},
		"unfinished bdat": {[]string{mailRcpt + "BDAT 6\r\na: b\r\nRSET\r\n", "BDAT 0 LAST\r\n"}, "220 250 250 250 250 503", 0},
		"no rcpt":         {[]string{"MAIL FROM:<>\r\nDATA\r\n", "RSET\r\n"}, "220 250 503 250", 0},
		"too early":       {[]string{"RCPT TO:<a@b>\r\n", "DATA\r\n", "BDAT 1\r\nx"}, "220 503 503 503", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{})
			if got := talk(t, s, tc.steps...); got != tc.codes {
				t.Errorf("codes %s, want %s", got, tc.codes)
			}
			if s.Count() != tc.count {
				t.Errorf("%d messages, want %d", s.Count(), tc.count)
			}
			if v := s.Violations(); len(v) > 0 {
				t.Error(v)
			}
		})
	}
}

func start(t *testing.T, opts Options) *Sink {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestStrict: mistakes of a client are refused or noted.
func TestStrict(t *testing.T) {
	s := start(t, Options{})
	if got := talk(t, s, mailRcpt+"DATA\r\n", "a: b\r\n\r\n\n.\nMAIL FROM:<evil@example.com>\r\n.\r\n"); got != "220 250 250 354 554" {
		t.Errorf("bare LF: %s", got)
	}
	if got := talk(t, s, mailRcpt+"BDAT 5 LAST\r\na: b\n"); got != "220 250 250 554" {
		t.Errorf("bare LF in a chunk: %s", got)
	}
	if s.Count() != 0 || len(s.Violations()) != 2 {
		t.Errorf("%d messages, %v", s.Count(), s.Violations())
	}
	talk(t, s, mailRcpt+"DATA\r\n"+body+".\r\n")
	strict := start(t, Options{NoPipelining: true})
	talk(t, strict, mailRcpt)
	if len(s.Violations()) != 3 || len(strict.Violations()) != 1 {
		t.Errorf("not noted: %v %v", s.Violations(), strict.Violations())
	}
}

func TestKeep(t *testing.T) {
	for keep, want := range map[Keep]string{KeepAll: body, KeepHeader: body[:strings.Index(body, "text")], KeepNone: ""} {
		s := start(t, Options{Keep: keep})
		talk(t, s, mailRcpt+"DATA\r\n", body+".\r\n", mailRcpt+fmt.Sprintf("BDAT %d LAST\r\n", len(body))+body)
		for i, r := range s.Records() {
			if string(r.Data) != want || r.Size != len(body) || r.To != "b@example.net" || r.Seq != i+1 || r.EndAt.Before(r.MailAt) || r.MailAt.IsZero() {
				t.Errorf("keep %d: %+v %q", keep, r, r.Data)
			}
			if keep != KeepNone && r.Header().Get("Subject") != "=?utf-8?q?x?= y" {
				t.Errorf("header %v", r.Header())
			}
		}
		if s.Count() != 2 {
			t.Errorf("%d messages", s.Count())
		}
	}
}

// TestOnMessage is told each message in order, before its reply or later.
func TestOnMessage(t *testing.T) {
	for _, async := range []bool{false, true} {
		var told atomic.Int64
		s := start(t, Options{Async: async, OnMessage: func(r Record) {
			if told.Add(1) != int64(r.Seq) {
				t.Errorf("out of order: %d", r.Seq)
			}
		}})
		one := mailRcpt + "BDAT 6 LAST\r\na: b\r\n"
		talk(t, s, one+one, one)
		s.Close()
		if told.Load() != 3 {
			t.Errorf("async %v: told of %d", async, told.Load())
		}
	}
}

func TestHooksAndDelay(t *testing.T) {
	s := start(t, Options{EndDelay: 30 * time.Millisecond,
		OnRcpt: func(_, to string) Reply {
			if to == "grey@example.net" {
				return Reply{451, "4.7.1", "later"}
			}
			return Reply{}
		},
		OnEnd: func(r Record) Reply { return Reply{552, "5.2.2", "full"} },
	})
	if got := talk(t, s, "MAIL FROM:<>\r\nRCPT TO:<grey@example.net>\r\nRCPT TO:<b@example.net>\r\nBDAT 6 LAST\r\na: b\r\n"); got != "220 250 451 250 552" {
		t.Error(got)
	}
	if s.Count() != 0 {
		t.Error("recorded although refused")
	}
}

// TestStopResume: away and back on the same port, records kept.
func TestStopResume(t *testing.T) {
	s := start(t, Options{})
	addr := s.Addr()
	talk(t, s, mailRcpt+"BDAT 6 LAST\r\na: b\r\n")
	s.Stop()
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Fatal("still there")
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	talk(t, s, mailRcpt+"BDAT 6 LAST\r\na: b\r\n")
	if s.Addr() != addr || s.Count() != 2 || s.Sessions() != 2 {
		t.Errorf("%s %s, %d messages, %d sessions", addr, s.Addr(), s.Count(), s.Sessions())
	}
}

// TestDistance: the sink reads on while what it said is on its way, and what was
// said arrives, also before the connection is closed.
func TestDistance(t *testing.T) {
	s := start(t, Options{Latency: time.Hour})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for n, step := range []string{"MAIL FROM:<a@example.org>\r\n", "RSET\r\nMAIL FROM:<a@example.org>\r\n", "RSET\r\nMAIL FROM:<a@example.org>\r\n"} {
		if _, err := conn.Write([]byte(step)); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); s.Seen("MAIL") <= n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the sink waits until its reply has arrived")
			}
		}
	}
	near := start(t, Options{Latency: time.Millisecond})
	if got := talk(t, near, "EHLO x\r\n", mailRcpt+"BDAT 6 LAST\r\na: b\r\n", "QUIT\r\n"); got != "220 250 250 250 250 221" {
		t.Error(got)
	}
}
