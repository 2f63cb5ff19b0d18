package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a Redis without persistence on a loopback port.
type RedisServer struct {
	shop    *workshop
	as      account
	program string
	port    int
	process *process
}

// Redis starts a Redis that ends with the test and returns its URL, which ends
// in database 0. It evicts nothing and writes nothing to disk.
func Redis(t testing.TB) string {
	t.Helper()
	return OwnRedis(t).URL()
}

// OwnRedis is Redis for a test that stops, kills and starts it.
func OwnRedis(t testing.TB) *RedisServer {
	t.Helper()
	server, stop, err := StartRedis()
	return started(t, server, stop, err)
}

// StartRedis starts a Redis; the function it returns stops it and removes its
// folder.
func StartRedis() (*RedisServer, func() error, error) {
	server, err := twice(newRedis)
	if err != nil {
		return nil, nil, err
	}
	return server, server.remove, nil
}

func newRedis() (*RedisServer, error) {
	program, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	as, err := runAs("nobody")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	shop, err := newWorkshop("redis")
	if err != nil {
		return nil, err
	}
	s := &RedisServer{shop: shop, as: as, program: program, port: port}
	if err := errors.Join(as.give(shop.folder), s.Start()); err != nil {
		return nil, errors.Join(err, shop.close())
	}
	return s, nil
}

// Start starts the server, empty, on the port it always had.
func (s *RedisServer) Start() (err error) {
	s.process, err = s.shop.run("redis", s.as, syscall.SIGTERM, s.program, "--bind", "127.0.0.1",
		"--port", strconv.Itoa(s.port), "--dir", s.shop.folder, "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction", "--daemonize", "no", "--databases", "16")
	if err != nil {
		return err
	}
	return s.process.until(func() error { return s.Command("+PONG", "PING") })
}

// Stop ends the server in an orderly way. What it held is gone.
func (s *RedisServer) Stop() error { return s.process.stop() }

// Kill ends the server at once. What it held is gone.
func (s *RedisServer) Kill() { s.process.kill() }

func (s *RedisServer) remove() error { return errors.Join(s.process.stop(), s.shop.close()) }

// URL is the server's address, database 0.
func (s *RedisServer) URL() string { return "redis://" + loopback(s.port) + "/0" }

// Command sends one command and expects a reply whose first line is want,
// its type character included: "+OK", ":1". FLUSHALL and CONFIG SET are of use.
func (s *RedisServer) Command(want string, words ...string) error {
	conn, err := net.DialTimeout("tcp4", loopback(s.port), time.Second)
	if err != nil {
		return fmt.Errorf("reaching the test Redis: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write([]byte(request.String())); err != nil {
		return fmt.Errorf("asking the test Redis: %w", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return fmt.Errorf("hearing the test Redis: %w", err)
	}
	if got := strings.TrimRight(line, "\r\n"); got != want {
		return fmt.Errorf("redis answered %s with %q instead of %q", words[0], got, want)
	}
	return nil
}
