#include "server/http/server.h"

#include <utility>

#include "server/http/loop.h"

namespace refocus::http {

Server::Server(const Limits& limits, Gate gate, Handler handler, ErrorAnswer words) {
  Hall hall;
  hall.limits = limits;
  hall.gate = std::move(gate);
  hall.handler = std::move(handler);
  hall.words = std::make_shared<const ErrorAnswer>(std::move(words));
  hall.mailbox = std::make_shared<Mailbox>();
  loop_ = std::make_unique<Loop>(std::move(hall));
}

Server::~Server() = default;

std::uint16_t Server::listen(const std::string& address, std::uint16_t port) {
  return loop_->listen(address, port);
}
void Server::run() { loop_->run(); }
void Server::stop(double grace_seconds) { loop_->stop(grace_seconds); }
int Server::stop_descriptor() const { return loop_->stop_descriptor(); }
void Server::post(std::function<void()> call) { loop_->post(std::move(call)); }
void Server::every(double seconds, std::function<void()> call) { loop_->every(seconds, std::move(call)); }
Counters Server::counters() const { return loop_->counters(); }

}  // namespace refocus::http
