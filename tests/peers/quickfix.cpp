// QuickFIX as the other side, for tests and comparisons: a client that sends orders, an exchange
// that answers them, and a bare client that spares neither side a client library's time.
//
//   peer flow    PORT BEGIN SENDER TARGET ORDERS FOLDER   orders over lines that may break;
//                                                         PORT,PORT: at either of two machines
//   peer pace    PORT BEGIN SENDER TARGET ORDERS          one order at a time: p50 p99 in ns
//   peer bare    PORT BEGIN SENDER TARGET ORDERS          the same without QuickFIX in the client
//   peer serve   PORT BEGIN SENDER TARGET                 an exchange in memory, until killed
//   peer venue   PORT BEGIN SENDER TARGET FOLDER          an exchange that orders are routed to
//   peer course  PORT BEGIN SENDER TARGET FOLDER          all that a certifier asks of a client
#include <quickfix/Application.h>
#include <quickfix/FileStore.h>
#include <quickfix/Message.h>
#include <quickfix/MessageStore.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>
#include <quickfix/SocketAcceptor.h>
#include <quickfix/SocketInitiator.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

static std::string timeNow() {
  auto now = std::chrono::system_clock::now();
  auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::time_t seconds = millis / 1000;
  char text[40], all[48];
  std::strftime(text, sizeof text, "%Y%m%d-%H:%M:%S", std::gmtime(&seconds));
  std::snprintf(all, sizeof all, "%s.%03d", text, int(millis % 1000));
  return all;
}

static FIX::Message order(const std::string &id, char side, int quantity, const char *price) {
  FIX::Message message;
  message.getHeader().setField(35, "D");
  message.setField(11, id);
  message.setField(21, "1");
  message.setField(55, "ACME");
  message.setField(54, std::string(1, side));
  message.setField(60, timeNow());
  message.setField(38, std::to_string(quantity));
  message.setField(40, "2");
  message.setField(44, price);
  return message;
}

// Notes what it is told.
struct Client : FIX::NullApplication {
  std::atomic<bool> isUp{false};
  std::atomic<long> answered{0};
  std::mutex mutex;
  std::map<std::string, int> reports;  // by ExecID
  std::set<std::string> orders;
  Clock::time_point last = Clock::now();

  void onLogon(const FIX::SessionID &) override { isUp = true; }
  void onLogout(const FIX::SessionID &) override { isUp = false; }
  void fromApp(const FIX::Message &message, const FIX::SessionID &) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::UnsupportedMessageType) override {
    if (message.getHeader().getField(35) != "8") {
      std::cout << "other " << message << std::endl;
      return;
    }
    std::lock_guard<std::mutex> guard(mutex);
    last = Clock::now();
    reports[message.getField(17)]++;
    char type = message.getField(150)[0];
    if ((type == '0' || type == '8') && orders.insert(message.getField(11)).second) answered++;
  }
};

// Answers each order with a report that it is taken.
struct Exchange : FIX::NullApplication {
  long next = 0;
  void fromApp(const FIX::Message &message, const FIX::SessionID &session) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::UnsupportedMessageType) override {
    if (message.getHeader().getField(35) != "D") return;
    FIX::Message report;
    report.getHeader().setField(35, "8");
    std::string id = std::to_string(++next);
    report.setField(37, id);
    report.setField(17, id);
    report.setField(150, "0");
    report.setField(39, "0");
    for (int tag : {11, 55, 54, 38, 40, 44}) report.setField(tag, message.getField(tag));
    report.setField(151, message.getField(38));
    report.setField(14, "0");
    report.setField(6, "0");
    report.setField(60, timeNow());
    FIX::Session::sendToTarget(report, session);
  }
};

// Fills each order at once, and notes it in a file before it says so: killed and started again it
// knows what it had. Asked for an order it says the same again, under the same ExecID.
struct Venue : FIX::NullApplication {
  std::map<std::string, std::string> quantities;
  std::string path;
  std::ofstream file;

  explicit Venue(const std::string &folder) : path(folder + "/orders") {
    std::ifstream old(path);
    for (std::string id, quantity; old >> id >> quantity;) quantities[id] = quantity;
    file.open(path, std::ios::app);
  }

  void fromApp(const FIX::Message &message, const FIX::SessionID &session) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::UnsupportedMessageType) override {
    std::string kind = message.getHeader().getField(35), id = message.getField(11);
    if (kind == "D") {
      if (quantities.count(id)) file << "twice " << id << std::endl;
      quantities[id] = message.getField(38);
      file << id << " " << quantities[id] << std::endl;
    } else if (kind != "H") {
      return;
    }
    bool isKnown = quantities.count(id);
    std::string quantity = isKnown ? quantities[id] : "0", begin = session.getBeginString();
    FIX::Message report;
    report.getHeader().setField(35, "8");
    report.setField(11, id);
    report.setField(37, isKnown ? id : "NONE");
    report.setField(17, isKnown ? "X" + id : "0");
    if (begin == "FIX.4.2") report.setField(20, isKnown ? "0" : "3");
    report.setField(150, isKnown ? (begin == "FIX.4.2" ? "2" : "F") : "I");
    report.setField(39, isKnown ? "2" : "8");
    for (int tag : {55, 54}) report.setField(tag, message.getField(tag));
    report.setField(38, quantity);
    if (isKnown) report.setField(32, quantity), report.setField(31, "300.00");
    report.setField(151, "0");
    report.setField(14, quantity);
    report.setField(6, "300.00");
    FIX::Session::sendToTarget(report, session);
  }
};

static FIX::SessionSettings settings(char **a, bool initiates, const std::string &folder,
                                     int heartbeat = 5) {
  std::ostringstream text;
  text << "[DEFAULT]\nConnectionType=" << (initiates ? "initiator" : "acceptor")
       << "\nStartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=" << heartbeat
       << "\nReconnectInterval=1\n"
       << "UseDataDictionary=N\nSocketNodelay=Y\nValidateUserDefinedFields=N\n"
       << "FileStorePath=" << folder << "\n[SESSION]\nBeginString=" << a[1]
       << "\nSenderCompID=" << a[2] << "\nTargetCompID=" << a[3] << "\n";
  if (std::string(a[1]) == "FIXT.1.1") text << "DefaultApplVerID=9\n";
  if (!initiates) text << "SocketReuseAddress=Y\n";
  if (folder == ".") text << "ResetOnLogon=Y\n";
  std::string port = a[0], other;
  auto comma = port.find(',');
  if (comma != std::string::npos)
    other = port.substr(comma + 1), port.resize(comma);
  if (initiates)
    text << "SocketConnectHost=127.0.0.1\nSocketConnectPort=" << port << "\n";
  if (!other.empty())
    text << "SocketConnectHost1=127.0.0.1\nSocketConnectPort1=" << other << "\n";
  if (!initiates)
    text << "SocketAcceptPort=" << a[0] << "\n";
  std::istringstream stream(text.str());
  return FIX::SessionSettings(stream);
}

static bool waitFor(std::atomic<bool> &flag, int seconds) {
  auto end = Clock::now() + std::chrono::seconds(seconds);
  while (!flag && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return flag;
}

static void printPace(std::vector<long> &spans) {
  std::sort(spans.begin(), spans.end());
  std::cout << "p50 " << spans[spans.size() / 2] << " p99 " << spans[spans.size() * 99 / 100]
            << " count " << spans.size() << std::endl;
}

static int flow(char **a, long orders, const std::string &folder) {
  Client client;
  auto config = settings(a, true, folder);
  FIX::FileStoreFactory store(config);
  FIX::SocketInitiator initiator(client, store, config);
  initiator.start();
  if (!waitFor(client.isUp, 20)) return std::cout << "never up" << std::endl, 1;
  FIX::SessionID session(a[1], a[2], a[3]);
  for (long i = 1; i <= orders; i++) {
    auto message = order("Q" + std::to_string(i), i % 2 ? '1' : '2', 10, "300.00");
    FIX::Session::sendToTarget(message, session);
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  auto end = Clock::now() + std::chrono::seconds(40);
  auto isQuiet = [&] {
    std::lock_guard<std::mutex> guard(client.mutex);
    return client.answered == orders && Clock::now() - client.last > std::chrono::seconds(1);
  };
  while (!isQuiet() && Clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::lock_guard<std::mutex> guard(client.mutex);
  for (auto &report : client.reports)
    std::cout << "exec " << report.first << " " << report.second << "\n";
  std::cout << "answered " << client.answered << std::endl;
  initiator.stop();
  return client.answered == orders ? 0 : 1;
}

static int pace(char **a, long orders) {
  Client client;
  auto config = settings(a, true, ".");
  FIX::MemoryStoreFactory store;
  FIX::SocketInitiator initiator(client, store, config);
  initiator.start();
  if (!waitFor(client.isUp, 20)) return std::cout << "never up" << std::endl, 1;
  FIX::SessionID session(a[1], a[2], a[3]);
  std::vector<long> spans;
  for (long i = 1; i <= orders; i++) {
    auto message = order("P" + std::to_string(i), i % 2 ? '1' : '2', 10, "300.00");
    auto begun = Clock::now();
    FIX::Session::sendToTarget(message, session);
    while (client.answered < i) {
      if (Clock::now() - begun > std::chrono::seconds(10)) return std::cout << "lost" << std::endl, 1;
    }
    long span = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begun).count();
    if (i > orders / 5) spans.push_back(span);
  }
  printPace(spans);
  initiator.stop();
  return 0;
}

static std::string framed(const char *begin, const std::string &body) {
  std::string head = std::string("8=") + begin + "\0019=" + std::to_string(body.size()) + "\001";
  unsigned sum = 0;
  for (unsigned char c : head + body) sum += c;
  char tail[12];
  std::snprintf(tail, sizeof tail, "10=%03u\001", sum % 256);
  return head + body + tail;
}

static int bare(char **a, long orders) {
  int line = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(std::stoi(a[0]));
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (connect(line, (sockaddr *)&to, sizeof to) != 0) return std::cout << "no line" << std::endl, 1;
  setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(line, F_SETFL, O_NONBLOCK);
  long number = 0;
  auto say = [&](const std::string &kind, const std::string &rest) {
    std::string body = "35=" + kind + "\00149=" + a[2] + "\00156=" + a[3] +
                       "\00134=" + std::to_string(++number) + "\00152=" + timeNow() + "\001" + rest;
    return framed(a[1], body);
  };
  auto send = [&](const std::string &bytes) { (void)!write(line, bytes.data(), bytes.size()); };
  std::string heard;
  // Waits for a message that holds the text.
  auto hear = [&](const std::string &text) {
    auto begun = Clock::now();
    char room[4096];
    for (;;) {
      ssize_t count = read(line, room, sizeof room);
      if (count > 0) heard.append(room, count);
      if (heard.find(text) != std::string::npos) return heard.clear(), true;
      if (count == 0 || Clock::now() - begun > std::chrono::seconds(10)) return false;
    }
  };
  std::string extra = std::string(a[1]) == "FIXT.1.1" ? "1137=9\001" : "";
  send(say("A", "98=0\001108=30\001141=Y\001" + extra));
  if (!hear("\00135=A\001")) return std::cout << "never up" << std::endl, 1;
  std::vector<long> spans;
  for (long i = 1; i <= orders; i++) {
    std::string id = "B" + std::to_string(i);
    auto bytes = say("D", "11=" + id + "\00121=1\00155=ACME\00154=" + (i % 2 ? "1" : "2") +
                              "\00160=" + timeNow() + "\00138=10\00140=2\00144=300.00\001");
    auto begun = Clock::now();
    send(bytes);
    if (!hear("\00111=" + id + "\001")) return std::cout << "lost" << std::endl, 1;
    long span = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begun).count();
    if (i > orders / 5) spans.push_back(span);
  }
  printPace(spans);
  return 0;
}

// Keeps what it is told, and the session messages too, for whoever waits for one of them.
struct Pupil : FIX::NullApplication {
  std::mutex mutex;
  std::vector<std::string> heard;

  void note(const FIX::Message &message) {
    std::string text = message.toString();
    std::replace(text.begin(), text.end(), '\001', '|');
    std::lock_guard<std::mutex> guard(mutex);
    heard.push_back(text);
  }
  void fromAdmin(const FIX::Message &message, const FIX::SessionID &) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::RejectLogon) override {
    note(message);
  }
  void fromApp(const FIX::Message &message, const FIX::SessionID &) throw(
      FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue,
      FIX::UnsupportedMessageType) override {
    note(message);
  }

  // Waits for a message that has all of these, and forgets what came before it.
  void hear(const std::vector<std::string> &parts) {
    auto end = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < end) {
      {
        std::lock_guard<std::mutex> guard(mutex);
        for (auto text = heard.begin(); text != heard.end(); ++text) {
          auto has = [&](const std::string &part) { return text->find(part) != std::string::npos; };
          if (std::all_of(parts.begin(), parts.end(), has)) {
            heard.erase(heard.begin(), text + 1);
            return;
          }
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::string wanted;
    for (auto &part : parts) wanted += part + " ";
    throw std::runtime_error("not heard: " + wanted);
  }
};

using Fields = std::vector<std::pair<int, std::string>>;

static int course(char **a, const std::string &folder) {
  Pupil pupil;
  auto config = settings(a, true, folder, 1);
  FIX::FileStoreFactory store(config);
  FIX::SocketInitiator initiator(pupil, store, config);
  initiator.start();
  FIX::SessionID session(a[1], a[2], a[3]);
  std::string begin = a[1], last;
  int count = 0;
  auto say = [&](const char *kind, const Fields &fields) {
    FIX::Message message;
    message.getHeader().setField(35, kind);
    last = "Q" + std::to_string(++count);
    for (auto &field : fields) message.setField(field.first, field.second);
    if (!message.isSetField(11) && std::string(kind) != "AF") message.setField(11, last);
    FIX::Session::sendToTarget(message, session);
  };
  auto enter = [&](const Fields &more) {
    Fields all = {{21, "1"}, {55, "ACME"}, {54, "1"}, {60, timeNow()}, {38, "100"}};
    all.insert(all.end(), more.begin(), more.end());
    say("D", all);
    return last;
  };
  auto change = [&](const char *kind, const std::string &id, const Fields &more) {
    Fields all = {{41, id}, {55, "ACME"}, {54, "1"}, {60, timeNow()}, {38, "100"}};
    all.insert(all.end(), more.begin(), more.end());
    say(kind, all);
    return last;
  };
  Fields limit = {{40, "2"}, {44, "299.5"}};
  auto with = [&](const Fields &more) {
    Fields all = limit;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  pupil.hear({"|35=1|", "112=test request"});
  auto id = enter(limit);
  pupil.hear({"|11=" + id, "|39=1|"});
  say("H", {{11, id}, {55, "ACME"}, {54, "1"}});
  pupil.hear({"|35=8|", begin == "FIX.4.2" ? "|20=3|" : "|150=I|"});
  id = change("G", id, with({{21, "1"}}));
  pupil.hear({"|150=5|"});
  change("F", id, {});
  pupil.hear({"|150=4|"});
  enter({{40, "1"}}), pupil.hear({"|39=2|"});
  enter(with({{59, "3"}})), pupil.hear({"|39=4|"});
  enter(with({{59, "4"}})), pupil.hear({"|39=2|"});
  std::string soon = timeNow();
  soon.replace(0, 4, std::to_string(std::stoi(soon.substr(0, 4)) + 1));
  std::vector<Fields> kinds = {
      {{40, "3"}, {99, "300"}}, {{40, "4"}, {44, "299"}, {99, "300"}}, with({{59, "1"}}),
      with({{59, "6"}, {126, soon}}), with({{111, "10"}}), with({{18, "6"}}),
      {{40, "P"}, {44, "299"}, {18, "R"}}, with({{54, "5"}}), with({{59, "2"}})};
  for (auto &kind : kinds) enter(kind), pupil.hear({"|11=" + last, "|150=0|"});
  enter(limit), pupil.hear({"|150=8|"});
  id = enter(limit), pupil.hear({"|11=" + id, "|150=0|"});
  change("F", id, {}), pupil.hear({"|35=9|"});
  for (auto answer : {"|35=3|", "|35=j|"}) {
    enter(limit), pupil.hear({answer});
    enter(limit), pupil.hear({"|11=" + last, "|150=0|"});
  }
  if (begin != "FIX.4.2") {
    say("AF", {{584, "all"}, {585, "7"}}), pupil.hear({"|912=Y|"});
    say("q", {{530, "7"}, {60, timeNow()}}), pupil.hear({"|35=r|"});
  }
  if (begin == "FIXT.1.1") {
    for (auto action : {"1", "2"}) {
      FIX::Message message;
      message.getHeader().setField(35, "DH");
      Fields fields = {{2328, action}, {2329, action}, {60, timeNow()}, {58, "a course"}};
      for (auto &field : fields) message.setField(field.first, field.second);
      FIX::Group asks(1657, 1658), party(453, 448);
      asks.setField(1658, "pupil");
      for (auto &field : Fields{{448, "1"}, {447, "D"}, {452, "55"}})
        party.setField(field.first, field.second);
      message.addGroup(asks), message.addGroup(party);
      FIX::Session::sendToTarget(message, session);
      pupil.hear({"|35=DI|", "|2332=1|"});
    }
  }
  // What is lost, said again and broken the library mends by itself.
  id = enter(limit), pupil.hear({"|43=Y|", "|11=" + id, "|150=0|"});
  pupil.hear({"|43=Y|", "|150=4|"});
  initiator.stop();
  return 0;
}

static int serve(char **a) {
  Exchange exchange;
  auto config = settings(a, false, ".");
  FIX::MemoryStoreFactory store;
  FIX::SocketAcceptor acceptor(exchange, store, config);
  acceptor.start();
  std::cout << "ready" << std::endl;
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

static int venue(char **a, const std::string &folder) {
  Venue venue(folder);
  auto config = settings(a, false, folder);
  FIX::FileStoreFactory store(config);
  FIX::SocketAcceptor acceptor(venue, store, config);
  acceptor.start();
  std::cout << "ready" << std::endl;
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

int main(int count, char **words) {
  std::string mode = count > 1 ? words[1] : "";
  try {
    if (mode == "flow" && count == 8) return flow(words + 2, std::stol(words[6]), words[7]);
    if (mode == "pace" && count == 7) return pace(words + 2, std::stol(words[6]));
    if (mode == "bare" && count == 7) return bare(words + 2, std::stol(words[6]));
    if (mode == "serve" && count == 6) return serve(words + 2);
    if (mode == "venue" && count == 7) return venue(words + 2, words[6]);
    if (mode == "course" && count == 7) return course(words + 2, words[6]);
  } catch (std::exception &error) {
    std::cout << error.what() << std::endl;
    return 1;
  }
  std::cerr << "see the head of quickfix.cpp" << std::endl;
  return 2;
}
