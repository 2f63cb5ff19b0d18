package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heed/mailer/mailertest"
)

func TestParseRelay(t *testing.T) {
	for in, want := range map[string]Relay{
		"smtp://127.0.0.1:2525":                            {Host: "127.0.0.1", Port: 2525, Security: SecurityNone},
		"smtp://localhost:25?tls=none":                     {Host: "localhost", Port: 25, Security: SecurityNone},
		"smtp://[::1]:25?tls=starttls":                     {Host: "::1", Port: 25, Security: SecurityStartTLS},
		"smtp://mail.example.org:587":                      {Host: "mail.example.org", Port: 587, Security: SecurityStartTLS},
		"smtp://mail.example.org?tls=implicit&ca=/x.pem":   {Host: "mail.example.org", Port: 465, Security: SecurityImplicit, CAFile: "/x.pem"},
		"smtp://u%40x:p%3Aw%2F@mail.example.org:25":        {Host: "mail.example.org", Port: 25, Security: SecurityStartTLS, User: "u@x", Password: "p:w/"},
		"smtp://user:secret@mail.example.org?tls=implicit": {Host: "mail.example.org", Port: 465, Security: SecurityImplicit, User: "user", Password: "secret"},
	} {
		got, err := ParseRelay(in)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || got.User != want.User || got.Password != want.Password || got.CAFile != want.CAFile {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
}

// TestParseRelayErrors: whatever is wrong, no part of the password is in the error.
func TestParseRelayErrors(t *testing.T) {
	for _, in := range []string{
		"smtp://user:SECRET@mail.example.org:25?tls=none", "smtp://user:SECRET@mail.example.org?tls=maybe",
		"smtp://user:SECRET@mail.example.org:99999", "smtp://user:SE/CRET@mail.example.org", "smtp://user:SE#CRET@mail.example.org",
		"smtp://user:SE?CRET@mail.example.org", "smtp://user:SE%CRET@mail.example.org", "smtps://user:SECRET@mail.example.org",
		"smtp://user:SECRET@mail.example.org?skip=SECRET", "smtp:user:SECRET@mail", "smtp://user:SECRET@", "user:SECRET@host:25", "SECRET", "",
		"smtp://user:SECRET@mail.example.org:25/CRET", "smtp://user:12?SECRET@host", "smtp://user:SEC RET\x01@host",
	} {
		_, err := ParseRelay(in)
		if err == nil {
			t.Errorf("%q was taken", in)
		} else if strings.Contains(err.Error(), "CRET") || strings.Contains(err.Error(), "SE") {
			t.Errorf("%q: the error has the password: %v", in, err)
		}
	}
}

func TestRelayHidesPassword(t *testing.T) {
	r, err := ParseRelay("smtp://user:SECRET@mail.example.org")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "relay", r)
	if all := fmt.Sprintf("%v %+v %#v %s", r, r, r, log.String()); strings.Contains(all, "SECRET") {
		t.Error(all)
	}
}

func TestDialTLSAndAuth(t *testing.T) {
	for name, opts := range map[string]mailertest.Options{
		"none": {User: "u", Password: "SECRET"}, "starttls": {STARTTLS: true, User: "u", Password: "SECRET"},
		"implicit": {ImplicitTLS: true, User: "u", Password: "SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := startSink(t, opts)
			r := relayTo(t, sink)
			if name != "none" {
				if _, err := Dial(context.Background(), r); err == nil || !strings.Contains(err.Error(), "ca=FILE") {
					t.Errorf("an unknown certificate: %v", err)
				}
				r.CAFile = filepath.Join(t.TempDir(), "ca.pem")
				if err := sink.WriteCA(r.CAFile); err != nil {
					t.Fatal(err)
				}
			}
			c := dialSink(t, r)
			if o := c.Offers(); (o.TLS == "") != (name == "none") || !o.Pipelining || !o.Chunking || o.Size == 0 || o.Auth != "PLAIN" {
				t.Errorf("offers %+v", o)
			}
			for range 2 {
				if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
					t.Fatalf("%+v", res)
				}
			}
			if res := send(c, "p@example.net", no); res.Outcome != Skipped || !res.Alive {
				t.Errorf("%+v", res)
			}
			r.Password = "WRONG"
			if _, err := Dial(context.Background(), r); err == nil || strings.Contains(err.Error(), "WRONG") {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

// TestDialNeedsTLS: a relay that does not offer STARTTLS gets nothing, and a relay off
// loopback is never spoken to in the clear, however the Relay was made.
func TestDialNeedsTLS(t *testing.T) {
	sink := startSink(t, mailertest.Options{})
	r := relayTo(t, sink)
	r.Security = SecurityStartTLS
	if _, err := Dial(context.Background(), r); err == nil || !strings.Contains(err.Error(), "tls=implicit") {
		t.Errorf("no STARTTLS: %v", err)
	}
	if sink.Seen("AUTH")+sink.Seen("MAIL") != 0 {
		t.Error("went on without TLS")
	}
	r = Relay{Host: "192.0.2.1", Port: 25, Security: SecurityNone}
	if _, err := Dial(context.Background(), r); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("in the clear off loopback: %v", err)
	}
}

// TestDialFails: a failing dial says so, in time, and leaves no socket open.
func TestDialFails(t *testing.T) {
	for name, action := range map[string]mailertest.Action{
		"refused": {Reply: mailertest.Reply{Code: 554, Text: "SECRET is no password"}},
		"dropped": {Drop: mailertest.DropBefore},
		"stalled": {Stall: 10 * time.Second},
	} {
		for _, verb := range []string{"CONNECT", "EHLO", "AUTH"} {
			t.Run(name+"/"+verb, func(t *testing.T) {
				t.Parallel()
				sink := startSink(t, mailertest.Options{User: "u", Password: "SECRET", Script: func(v string, _ int) mailertest.Action {
					if v == verb {
						return action
					}
					return mailertest.Action{}
				}})
				r := relayTo(t, sink)
				r.Timeouts.Dial = 200 * time.Millisecond
				if _, err := Dial(context.Background(), r); err == nil || strings.Contains(err.Error(), "SECRET") {
					t.Errorf("got %v", err)
				}
				for range 100 { // go-mail leaves the socket open when a step of dialling fails
					if name == "stalled" || sink.Open() == 0 {
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
				t.Error("the socket is still open")
			})
		}
	}
}

// TestKeptBeyondDialTimeout: the time allowed for dialling, which go-mail leaves set on
// the socket, does not end the connection later.
func TestKeptBeyondDialTimeout(t *testing.T) {
	sink := startSink(t, mailertest.Options{})
	r := relayTo(t, sink)
	r.Timeouts.Dial = 100 * time.Millisecond
	c := dialSink(t, r)
	time.Sleep(150 * time.Millisecond)
	if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
		t.Errorf("%+v", res)
	}
}

func TestDialCancelled(t *testing.T) {
	sink := startSink(t, mailertest.Options{Script: func(string, int) mailertest.Action { return mailertest.Action{Stall: 10 * time.Second} }})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Dial(ctx, relayTo(t, sink))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 9*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// TestDialOldServer: one that knows HELO only gets the plain conversation.
func TestDialOldServer(t *testing.T) {
	sink := startSink(t, mailertest.Options{NoChunking: true, NoPipelining: true, Script: func(v string, n int) mailertest.Action {
		if v == "EHLO" && n == 1 {
			return mailertest.Action{Reply: mailertest.Reply{Code: 502, Text: "what"}}
		}
		return mailertest.Action{}
	}})
	c := dialSink(t, relayTo(t, sink))
	if c.Offers() != (Offers{}) {
		t.Errorf("offers %+v", c.Offers())
	}
	if res := send(c, "p@example.net", yes); res.Outcome != Accepted {
		t.Errorf("%+v", res)
	}
}

// TestCloseBlackHole: a relay that no longer answers can't hold Close up.
func TestCloseBlackHole(t *testing.T) {
	sink := startSink(t, mailertest.Options{Script: func(v string, _ int) mailertest.Action {
		if v == "QUIT" {
			return mailertest.Action{Stall: time.Minute}
		}
		return mailertest.Action{}
	}})
	c := dialSink(t, relayTo(t, sink))
	began := time.Now()
	_ = c.Close()
	if took := time.Since(began); took > quitWait+20*time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := c.raw.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open: %v", err)
	}
}
