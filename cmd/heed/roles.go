package main

import (
	"errors"
	"strings"
)

type serveCommand struct{}

// Help tells the ways to run and shows an example.
func (serveCommand) Help() string {
	return `Without DATABASE_URL and REDIS_URL everything lies in HEED_DATA and in this process, and nothing else needs to run. Prints one line {"event":"ready","url":…} when it serves. SIGTERM ends it within 30 s with nothing left in flight.

Example: SMTP_URL=smtp://localhost:25 PUBLIC_URL=https://news.example.com heed serve`
}

// Run runs all roles in this process.
func (c *serveCommand) Run(a *app) error {
	return a.serve(roleSet{web: true, worker: true, inbox: true, scheduler: true})
}

type webCommand struct{}

// Help shows an example.
func (webCommand) Help() string { return apart + "Example: heed web --listen 0.0.0.0:8080" }

// Run runs the web role.
func (c *webCommand) Run(a *app) error { return a.serveApart(roleSet{web: true}) }

type workerCommand struct{}

// Help shows an example.
func (workerCommand) Help() string { return apart + "Example: heed worker --smtp-connections 50" }

// Run runs the worker role.
func (c *workerCommand) Run(a *app) error { return a.serveApart(roleSet{worker: true}) }

type inboxCommand struct{}

// Help shows an example.
func (inboxCommand) Help() string { return apart + "Example: heed inbox --poll 30s" }

// Run runs the inbox role.
func (c *inboxCommand) Run(a *app) error { return a.serveApart(roleSet{inbox: true}) }

type schedulerCommand struct{}

// Help shows an example.
func (schedulerCommand) Help() string { return apart + "Example: heed scheduler" }

// Run runs the scheduler role.
func (c *schedulerCommand) Run(a *app) error { return a.serveApart(roleSet{scheduler: true}) }

const apart = "Processes started apart need PostgreSQL and a real Redis: DATABASE_URL=postgres://… and REDIS_URL=redis://…. Any number of each may run.\n\n"

// roleSet is what one process does.
type roleSet struct{ web, worker, inbox, scheduler bool }

// name is what the process calls itself.
func (r roleSet) name() string {
	switch r {
	case roleSet{web: true}:
		return "web"
	case roleSet{worker: true}:
		return "worker"
	case roleSet{inbox: true}:
		return "inbox"
	case roleSet{scheduler: true}:
		return "scheduler"
	}
	return "serve"
}

// queues tells whether the process needs Redis.
func (r roleSet) queues() bool { return r.worker || r.scheduler }

// serveApart refuses what cannot work: an in-process Redis and a file of this
// machine are shared with nobody.
func (a *app) serveApart(r roleSet) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if c.RedisURL == "" || strings.HasPrefix(c.DatabaseURL, "sqlite:") {
		return problem{exitUsage, errors.New("processes started apart need PostgreSQL and a real REDIS_URL"),
			"set DATABASE_URL=postgres://… and REDIS_URL=redis://…, or run heed serve, which needs neither"}
	}
	return a.serve(r)
}
